//! Who is who: the node's key and certificate, the cluster's CA, TLS for both directions.
