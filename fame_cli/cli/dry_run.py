"""What ``--dry-run`` says."""

from typing import TYPE_CHECKING

from fame_cli.cli import console
from fame_cli.errors import DONE

if TYPE_CHECKING:
    from fame_cli.forecast import Forecast


def tell_forecast(forecast: "Forecast", measure: str) -> int:
    """Say what would be done; ``measure`` is how a rate can be had where none is known yet."""
    console.output(f"Would do: {forecast.what}, in {forecast.folder}")
    if not forecast.left:
        console.output("Nothing is left to do.")
        return DONE
    if forecast.bytes is None:
        console.output(f"Disk: not known yet; {console.size(forecast.free)} are free.")
    else:
        console.output(f"Disk: about {console.size(forecast.bytes)}; {console.size(forecast.free)} are free.")
        if forecast.bytes > forecast.free:
            console.warn("there is not enough room for it.")
    if forecast.seconds is None:
        console.output(f"Time: not known yet; {measure}")
    else:
        took = console.duration(forecast.seconds)
        console.output(f"Time: about {took} at the rate of what was done before.")
    return DONE
