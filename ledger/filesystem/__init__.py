"""Versions as a file system of fsspec: ``ledger://iris@3/data.parquet`` (specs/access.md, 1).

With it pandas, polars, pyarrow, dask and duckdb read versions wherever they take a URL. fsspec finds it by an
entry point; nothing else in this project imports it. It reads, through the core, and writes nothing.
"""

from ledger.filesystem.reading import LedgerFileSystem

__all__ = ["LedgerFileSystem"]
