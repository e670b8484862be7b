"""How bytes are kept: files in, chunks, packs and tables in a store, files out again.

The only package that knows obstore, zstandard, the chunker and the stores of fsspec. A store keeps objects by key
(`Store`), a writer turns files into a content (`ContentWriter`), a reader turns a content back into files
(`ContentReader`). Bytes are durable before a content is returned, except small objects that the caller gathers
(`GatheredPuts`), and every byte handed out has been checked against its digest. Knows nothing of artifacts, versions
or the history.
"""

from ledger.blobs.auditing import Checked, absent, check_linked, check_objects, look_into, stored_keys
from ledger.blobs.chunks.chunk_lists import listed_chunks
from ledger.blobs.chunks.extents import Extent, Extents, extents_of
from ledger.blobs.chunks.file_lists import listed_files, whole_files
from ledger.blobs.chunks.moving import packs_in, repack
from ledger.blobs.chunks.needs import Needs, needs_of
from ledger.blobs.copying import Copied, Copier
from ledger.blobs.files.links import MOST_LINKS, follow_links
from ledger.blobs.mending import mend_content, mendable_keys
from ledger.blobs.pruning import (
    Spare,
    age_anew,
    age_of,
    age_of_table,
    alone_with,
    clock_of,
    files_among,
    hold,
    is_within,
    live_bytes,
    point_anew,
)
from ledger.blobs.reader import ContentReader, are_present, is_present
from ledger.blobs.registering.linked import link_content, linked_path
from ledger.blobs.registering.linked_objects import link_objects
from ledger.blobs.registering.registered import CHANGED_IN_PLACE
from ledger.blobs.stores.cache import CacheUsage, ObjectCache, cache_folder
from ledger.blobs.stores.fallback import FallbackStore
from ledger.blobs.stores.faults import Fault, missized
from ledger.blobs.stores.gathered_puts import GatheredPuts
from ledger.blobs.stores.layout import OBJECT_KINDS, STORE_KEY
from ledger.blobs.stores.local import LocalStore
from ledger.blobs.stores.opening import create_store, is_deleted, open_store, refuse_other_store, store_id, store_record
from ledger.blobs.stores.optional import OptionalStore
from ledger.blobs.stores.store import Store, uncached
from ledger.blobs.stores.unopened import UnopenedStore
from ledger.blobs.writer import ContentWriter

__all__ = [
    "CHANGED_IN_PLACE",
    "MOST_LINKS",
    "OBJECT_KINDS",
    "STORE_KEY",
    "CacheUsage",
    "Checked",
    "ContentReader",
    "ContentWriter",
    "Copied",
    "Copier",
    "Extent",
    "Extents",
    "FallbackStore",
    "Fault",
    "GatheredPuts",
    "LocalStore",
    "Needs",
    "ObjectCache",
    "OptionalStore",
    "Spare",
    "Store",
    "UnopenedStore",
    "absent",
    "age_anew",
    "age_of",
    "age_of_table",
    "alone_with",
    "are_present",
    "cache_folder",
    "check_linked",
    "check_objects",
    "clock_of",
    "create_store",
    "extents_of",
    "files_among",
    "follow_links",
    "hold",
    "is_deleted",
    "is_present",
    "is_within",
    "link_content",
    "link_objects",
    "linked_path",
    "listed_chunks",
    "listed_files",
    "live_bytes",
    "look_into",
    "mend_content",
    "mendable_keys",
    "missized",
    "needs_of",
    "open_store",
    "packs_in",
    "point_anew",
    "refuse_other_store",
    "repack",
    "store_id",
    "store_record",
    "stored_keys",
    "uncached",
    "whole_files",
]
