"""From a plan and evidence to answers. Pure: a recording gives the same answers everywhere."""

from dataplane.verify.expectations import met
from dataplane.verify.journeys import journeys
from dataplane.verify.judge import exit_code, judge, lost_events
from dataplane.verify.view import views

__all__ = ["exit_code", "journeys", "judge", "lost_events", "met", "views"]
