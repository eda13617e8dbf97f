"""Run by tests in a process of its own: folders of DAG files -> what Airflow makes of each, as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
from airflow.utils.dag_version_inflation_checker import check_dag_file_stability


def answer(folder: str) -> dict[str, object]:
    bag = DagBag(folder)
    return {
        "errors": bag.import_errors,
        "unstable": [
            w for f in sorted(Path(folder).glob("*.py")) if (w := check_dag_file_stability(f).warnings)
        ],
        "dags": {dag_id: DagSerialization.to_dict(dag) for dag_id, dag in bag.dags.items()},
    }


print(json.dumps([answer(folder) for folder in sys.argv[1:]], default=str))
