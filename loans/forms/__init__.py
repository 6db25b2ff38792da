"""Forms check shape, unit and range; rules that depend on other rows are the services'."""
