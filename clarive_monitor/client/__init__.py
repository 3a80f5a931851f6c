"""The command line client ``clarive``: it talks to a server over its REST API and knows nothing else of the product.

It imports the standard library, click and httpx alone, so that it also works where nothing else is installed, and
httpx only once something is asked, so that help and completion come at once.
"""
