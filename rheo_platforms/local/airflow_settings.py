"""Settings of MWAA's Airflow -> those of the local one, and the reason for each that differs.

What MWAA sets stands in its public image: ``images/airflow/3.3.1/python/mwaa/config/airflow.py`` of
github.com/aws/amazon-mwaa-docker-images. What it does not set has Airflow's own default on both sides, so new DAGs are
paused (``core.dags_are_paused_at_creation``) unless their file says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping

# What MWAA's image sets to one value everywhere; None where the value is the environment's own.
MWAA: Mapping[str, str | None] = {
    "API__SECRET_KEY": None,
    "API__SERVER_TYPE": "gunicorn",
    "API__WORKER_REFRESH_BATCH_SIZE": "1",
    "API__WORKER_REFRESH_INTERVAL": "43200",
    "API_AUTH__JWT_ALGORITHM": "HS256",
    "API_AUTH__JWT_SECRET": None,
    "CORE__EXECUTE_TASKS_NEW_PYTHON_INTERPRETER": "True",
    "CORE__EXECUTION_API_SERVER_URL": None,
    "CORE__EXECUTOR": "CeleryExecutor",
    "CORE__LOAD_EXAMPLES": "False",
    "CORE__MULTI_TEAM": "False",
    "CORE__SENSITIVE_VAR_CONN_NAMES": "proxy,proxies",
    "DATABASE__SQL_ALCHEMY_CONN": None,
    "EXECUTION_API__JWT_EXPIRATION_TIME": "86400",
    "LOGGING__COLORED_CONSOLE_LOG": "False",
    "SCHEDULER__SCHEDULE_AFTER_TASK_EXECUTION": "False",
    "SCHEDULER__STANDALONE_DAG_PROCESSOR": "True",
    "SCHEDULER__TASK_QUEUED_TIMEOUT": "1800.0",
    "TRIGGERER__QUEUES_ENABLED": "False",
    "USAGE_DATA_COLLECTION__ENABLED": "False",
}
_MACHINE = "one machine with two cores serves everything"
_AT_ONCE = "somebody is watching: what happens is seen within seconds"
_HERE = "where this Airflow is, and who may sign in"
# Settings that are not as MWAA has them, and why.
DIFFERENT: Mapping[str, str] = {
    "API__BASE_URL": _HERE,
    "API__HOST": _HERE,
    "API__PORT": _HERE,
    "API__SERVER_TYPE": "one worker needs no gunicorn to renew it",
    "API__WORKERS": _MACHINE,
    "API__WORKER_REFRESH_BATCH_SIZE": "there is no gunicorn",
    "API__WORKER_REFRESH_INTERVAL": "there is no gunicorn",
    "CORE__DAGS_FOLDER": _HERE,
    "CORE__DEFAULT_TASK_RETRY_DELAY": "a failed task is tried again at once, not after five minutes",
    "CORE__EXECUTE_TASKS_NEW_PYTHON_INTERPRETER": "a task is a fork: a new interpreter imports Airflow for seconds",
    "CORE__EXECUTOR": "workers are processes of the scheduler, not of Celery with a queue",
    "CORE__PARALLELISM": _MACHINE,
    "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": _HERE,
    "CORE__SIMPLE_AUTH_MANAGER_USERS": _HERE,
    "DATABASE__CHECK_MIGRATIONS": "the database has just been made, by the same Airflow",
    "DATABASE__SQL_ALCHEMY_POOL_PRE_PING": "the database is here as long as Airflow is: no connection to it is lost",
    "DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": _AT_ONCE,
    "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": _MACHINE,
    "DAG_PROCESSOR__PARSING_PROCESSES": _MACHINE,
    "DAG_PROCESSOR__REFRESH_INTERVAL": _AT_ONCE,
    "RHEO__POLL_SECONDS": _AT_ONCE,
    "RHEO__GRACE_SECONDS": "workers reach this Airflow: five seconds to the heartbeat, five to the end by force",
    "SCHEDULER__JOB_HEARTBEAT_SEC": "a scheduler that was killed is missed soon",
    "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "a scheduler that was killed is missed soon",
    "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "a busy machine may silence a living scheduler for ten seconds",
    "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": _AT_ONCE,
    "TRIGGERER__JOB_HEARTBEAT_SEC": "a triggerer that was killed is missed soon",
    "WORKERS__MIN_HEARTBEAT_INTERVAL": "a worker may see so much later that its task has ended, and there are four places",
}


def as_mwaa() -> dict[str, str]:
    """Return the settings that are MWAA's, by section and name, as variables of the environment have them.

    >>> as_mwaa()["CORE__LOAD_EXAMPLES"], "CORE__EXECUTOR" in as_mwaa()
    ('False', False)
    """
    return {name: value for name, value in MWAA.items() if value is not None and name not in DIFFERENT}
