//! The cluster's own CA, keys, the operator's certificate and the bundles.
