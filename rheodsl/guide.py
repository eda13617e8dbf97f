"""A name of the user guide that Rheo has not -> what is written in its place."""

from __future__ import annotations

# Printed in docs/migrating.md.
REPLACED = {
    "intelliflow": "write from rheodsl import *, or import rheodsl as flow",
    "init_basic_logging": "leave it out: logging.basicConfig(level=logging.INFO) shows what the logger 'rheo' says",
    "init_config": "leave it out: there is nothing to configure",
    "create": "write create_data",
    "import_upstream_application": "write import_upstream(name, account, region)",
    "export_to_downstream_application": "write authorize_downstream(name, account, region)",
    "sync_bundle": "leave it out: activate() brings what has changed to where it runs",
    "sync_bunle": "leave it out: activate() brings what has changed to where it runs",
    "CRADLE": "leave it out: code finds its inputs as variables, as by ABI.GLUE_EMBEDDED",
    "CWAInternal": "write TicketAction",
    "compact_andes": "write compact_table",
}
