"""A batch as one self-contained HTML page: totals, timeline, failures, and all transcripts to read and hear."""

from asyncscribe.batch.report.jobs import report_jobs
from asyncscribe.batch.report.page import ReportJob, ReportSummary, write_report

__all__ = ["ReportJob", "ReportSummary", "report_jobs", "write_report"]
