"""Mails: written from templates, carried by SMTP or into a folder."""
