"""The catalogue."""

import unittest

from shop.catalogue import PRODUCTS, price


class CatalogueTest(unittest.TestCase):
    """What is sold, and for how much."""

    def test_codes_are_unique(self) -> None:
        """Two products never share a code."""
        self.assertEqual(len({product.code for product in PRODUCTS}), len(PRODUCTS))

    def test_price_is_written_in_euros(self) -> None:
        """Cents become euros with a comma."""
        self.assertEqual(price(790), "7,90 €")
        self.assertEqual(price(2405), "24,05 €")
