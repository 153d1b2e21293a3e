"""Where the cache is."""

from pathlib import Path

from galvae.system.cache_folder import cache_folder


def test_the_folder_is_the_setting_then_the_variable_then_the_users(tmp_path, monkeypatch):
    monkeypatch.setenv("GALVAE_CACHE", str(tmp_path))
    assert cache_folder("/x") == Path("/x")
    assert cache_folder() == tmp_path
    monkeypatch.delenv("GALVAE_CACHE")
    assert cache_folder().name == "galvae"
