"""What `run.py` is made of: install, secrets, supervisor, test runner.

Standard library only, and nothing of `marginsite` or `loans`: these modules run before anything is
installed.
"""
