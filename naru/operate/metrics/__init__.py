"""A cloud's metrics that nobody else exports, for Prometheus, and what follows from them in the weeks to come.

`families` says what there is, `sources` read it, `collector` keeps what they read, `server` answers scrapes from that;
`scraping`, `boards` and `rules.yaml` are what Prometheus and Grafana are given; `trends` answers the questions of a
day.
"""
