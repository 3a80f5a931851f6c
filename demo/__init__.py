"""The demo: a real small repository, three environments that really serve it, and rules that build and deploy.

It stands beside the product and uses it as any installation would: its configuration is a document for ``apply``, its
deployments are rules, its environments are folders with a process in front. Without ``CLARIVE_DEMO`` nothing of it is there.
"""
