"""Metrics, alarms and dashboards: what CloudWatch knows of an application."""
