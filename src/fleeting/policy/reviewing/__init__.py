"""Review: of policies that are right, find those that are probably not meant."""

from fleeting.policy.reviewing.covering import GLOBAL_BUDGET
from fleeting.policy.reviewing.declared import Declared
from fleeting.policy.reviewing.partial import sound_part
from fleeting.policy.reviewing.review import review

__all__ = ["GLOBAL_BUDGET", "Declared", "review", "sound_part"]
