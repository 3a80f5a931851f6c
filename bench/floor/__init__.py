"""The durable floor: what no product that keeps a job safe can do without, and nothing else.

A POST inserts one row and sends one Celery task; the task makes five steps with fifteen commits. Servers, web
server and settings of the workers are the product's.
"""
