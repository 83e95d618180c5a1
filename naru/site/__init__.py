"""What a cloud runs on, which its APIs do not say: hosts and how to reach them, services and what manages them,
databases, message queues, load balancers, power controllers. `site.yaml` says it, `naru site check` proves it;
`write_gate` is how a load balancer keeps users from writing."""
