"""The catalogue."""

import unittest

from shop.catalogue import PRODUCTS, price, with_tax


class CatalogueTest(unittest.TestCase):
    """What is sold, and for how much."""

    def test_codes_are_unique(self) -> None:
        """Two products never share a code."""
        self.assertEqual(len({product.code for product in PRODUCTS}), len(PRODUCTS))

    def test_price_is_written_in_euros(self) -> None:
        """Cents become euros with a comma."""
        self.assertEqual(price(790), "7,90 €")
        self.assertEqual(price(2405), "24,05 €")

    def test_tax_is_added_and_rounded(self) -> None:
        """Half a cent is rounded up."""
        self.assertEqual(with_tax(1000), 1210)
        self.assertEqual(with_tax(790), 956)
