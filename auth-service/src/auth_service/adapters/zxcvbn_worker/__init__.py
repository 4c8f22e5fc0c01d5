"""The program that rates passwords by zxcvbn: `python -m auth_service.adapters.zxcvbn_worker`.

It is a process of its own because zxcvbn is pure Python: in a thread it would hold up the event
loop, and its word lists would stay in the service's memory.
"""
