"""Installations on a store of one's choice: `open_house(store_class=NoIntentStore)`."""

from tests.runtime.conftest import beside, open_house

__all__ = ["beside", "open_house"]
