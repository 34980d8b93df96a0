from retina.web.page import page_theme


def test_no_font_is_fetched() -> None:
    assert page_theme()._stylesheets == []
    assert page_theme()._font_css == []
