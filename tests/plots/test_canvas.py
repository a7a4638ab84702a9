"""Claims: a column holds the panels of a picture beneath one another, each as high as in the picture, without gaps."""

import pytest

from probe.plots.canvas import PAGE, Column


def column() -> Column:
    return Column(figsize=(PAGE[1], 3.0), layout="constrained")


def test_a_grid_of_panels_becomes_a_column_of_them_and_keeps_its_places():
    page = column()
    panels = page.subplots(2, 2)
    assert panels.shape == (2, 2)
    assert page.get_figheight() == pytest.approx(6.0)
    page.canvas.draw()
    across = {round(axes.get_position().x0, 3) for axes in page.axes}
    down = [axes.get_position().y0 for axes in panels.flat]
    assert len(across) == 1
    assert down == sorted(down, reverse=True)


def test_a_removed_panel_leaves_no_gap():
    page = column()
    panels = page.subplots(2, 2, squeeze=False)
    panels[0, 1].remove()
    page.close()
    assert page.get_figheight() == pytest.approx(4.5)
    page.canvas.draw()
    heights = [axes.get_position().height for axes in page.axes]
    assert len(heights) == 3
    assert min(heights) > 0.2


def test_one_panel_is_given_alone():
    assert column().subplots().get_xlabel() == ""
