"""The history of schema `auth`; each file in `versions` is one step of plain SQL."""
