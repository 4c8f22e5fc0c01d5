"""Writes Grafana's boards and the rules of the objectives into the chart: `python -m helm.write_boards`."""

import json
import sys
from pathlib import Path
from typing import Any

from helm import boards, objectives
from helm.panels import Board, Panel

FILES = Path(__file__).parent / "vestibule" / "files"
COLUMNS = 24
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def written() -> dict[Path, str]:
    """Returns every file as it should be."""
    files = {
        FILES / "dashboards" / f"{board.name}.json": json.dumps(dashboard(board), indent=1) + "\n"
        for board in boards.BOARDS
    }
    return files | {FILES / "alerts" / "objectives.yaml": objectives.rules()}


def dashboard(board: Board) -> dict[str, Any]:
    """Returns a board in Grafana's form; the boards link to one another by their tag."""
    return {
        "uid": f"vestibule-{board.name}",
        "title": f"Vestibule / {board.title}",
        "description": board.meaning,
        "tags": ["vestibule"],
        "schemaVersion": 39,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [{"type": "dashboards", "tags": ["vestibule"], "asDropdown": False, "title": "Boards"}],
        "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]},
        "panels": laid_out(board.panels),
    }


def laid_out(panels: tuple[Panel, ...]) -> list[dict[str, Any]]:
    """Places panels from left to right, row by row."""
    placed, x, y, row_height = [], 0, 0, 0
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > COLUMNS:
            x, y, row_height = 0, y + row_height, 0
        placed.append(
            drawn(panel, number) | {"gridPos": {"h": panel.height, "w": panel.width, "x": x, "y": y}}
        )
        x, row_height = x + panel.width, max(row_height, panel.height)
    return placed


def drawn(panel: Panel, number: int) -> dict[str, Any]:
    """Returns a panel without its place."""
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.limit is not None:
        steps.append({"color": "red", "value": panel.limit})
    defaults: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.kind == "timeseries":
        defaults |= {"min": 0, "custom": {"fillOpacity": 8, "showPoints": "never"}}
        if panel.limit is not None:
            defaults["custom"]["thresholdsStyle"] = {"mode": "dashed"}
    return {
        "id": number,
        "title": panel.title,
        "description": panel.meaning,
        "type": panel.kind,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}}
        if panel.kind == "timeseries"
        else {"reduceOptions": {"calcs": ["lastNotNull"]}},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "expr": query.expression,
                "legendFormat": query.legend,
                "instant": panel.kind == "stat",
            }
            for index, query in enumerate(panel.queries)
        ],
    }


if __name__ == "__main__":
    for path, text in written().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        sys.stdout.write(f"wrote {path.relative_to(Path.cwd())}\n")
