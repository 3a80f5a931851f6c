"""One command that runs everything: servers, web, workers and beat in one terminal.

Nothing here imports Django or Celery: the supervisor has to work before either can be configured.
"""
