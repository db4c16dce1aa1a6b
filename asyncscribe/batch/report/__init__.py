"""A batch as one HTML page that needs nothing else: totals, timeline, failures, every transcript to read and hear."""

from asyncscribe.batch.report.jobs import report_jobs
from asyncscribe.batch.report.page import ReportJob, ReportSummary, write_report

__all__ = ["ReportJob", "ReportSummary", "report_jobs", "write_report"]
