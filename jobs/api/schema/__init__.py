"""The API described as OpenAPI 3.1: ``/api/schema/`` for programs, ``/api/docs/`` for people.

Addresses, methods, bodies and the names of query parameters are read from the views themselves. What the code cannot say
of itself (answers made by plain functions, codes of refusals, examples) stands in the tables of this package; an address
that is in no table, or a parameter that none describes, is an error when the document is made.
"""
