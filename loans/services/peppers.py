"""Notes which pepper the keys' fingerprints are made with: it is never changed, and another one in
its place would go on in silence, with every key a stranger.
"""

from loans.models import SiteState
from loans.vault import proof_of


def note(pepper: str, *, anew: bool) -> None:
    """Note the pepper if none is noted; `anew` says that the noted one is lost, and known to be."""
    SiteState.load()
    site = SiteState.objects.filter(pk=SiteState.ONLY)
    if not anew:
        site = site.filter(pepper_proof="")
    site.update(pepper_proof=proof_of(pepper))


def is_another(pepper: str) -> bool:
    """Whether another one than this is noted."""
    return SiteState.objects.exclude(pepper_proof__in=("", proof_of(pepper))).exists()
