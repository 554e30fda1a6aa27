"""HTTP: settings, wiring, routes, the one error renderer, endpoints of ten lines each."""
