"""Configuration as documents: what ``manage.py apply`` reads, checks and writes.

``documents`` turns YAML into values that know their line, ``items`` reads them as typed fields, ``kinds``
holds one module for each top key, ``apply`` is the one use-case: in one transaction or not at all.
"""
