"""What the shop sells."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Product:
    """One thing on sale; its price is in cents, without tax."""

    code: str
    name: str
    cents: int


PRODUCTS = (
    Product("mug", "Mug", 790),
    Product("teapot", "Teapot", 2450),
    Product("tray", "Olive wood tray", 3100),
    Product("cloth", "Linen cloth", 1290),
)


TAX_PERCENT = 21


def with_tax(cents: int) -> int:
    """Return what a customer pays for something that costs ``cents`` without tax."""
    return (cents * (100 + TAX_PERCENT) + 50) // 100


def price(cents: int) -> str:
    """Return a price as people read it."""
    return f"{cents // 100},{cents % 100:02d} €"


def search(text: str) -> list[Product]:
    """Return the products whose name holds ``text``, whatever its case; all of them for an empty text."""
    wanted = text.strip().casefold()
    return [product for product in PRODUCTS if wanted in product.name.casefold()]
