"""pytest settings for the whole tree; it stands here because notebooks lie outside tests/."""


def pytest_collectstart(collector):
    """nbval compares printed text only: figures, players and progress bars differ between machines."""
    if getattr(collector, "skip_compare", None) is not None:
        collector.skip_compare += (
            "text/html",
            "image/png",
            "image/svg+xml",
            "image/gif",
            "stderr",
            "application/javascript",
            "application/vnd.jupyter.widget-view+json",
        )
