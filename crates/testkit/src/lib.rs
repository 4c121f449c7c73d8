//! Components, fixtures and processes for tests.
