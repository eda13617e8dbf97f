"""What runs inside Airflow: the tasks of generated DAGs, the page, and an application's own metrics."""
