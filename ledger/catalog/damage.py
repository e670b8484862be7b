"""What is raised where a catalog is not what was written: it is caught where the catalog is made again."""


class CatalogDamage(ValueError):  # noqa: N818  # a signal, not an error that a user sees
    """Bytes of a catalog that are not what was written."""
