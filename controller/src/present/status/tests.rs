//! The screen as the operator reads it.

use super::*;
use hactl_cluster_plan::observed::samples;

fn shown(observed: Observed) -> String {
    StatusView::new(observed).text(Style::Plain)
}

#[test]
fn a_healthy_cluster() {
    insta::assert_snapshot!(shown(samples::healthy()), @"
    prod  v1.36.2  api.example.org:8443 (managed, 10.0.0.10)  as of 2026-11-22 17:20:00Z
    cluster 01010101010101010101010101010101  spec ae1c07cab24e of generation 3
    Kubernetes cluster with CA sha256:5d2fc0de0011…, etcd cdf818194e3a8c32; members cp1, cp2, cp3

    ZONE  NODE  ROLE           KUBELET  MEMBER  READY  API      ETCD     OPERATION
    a     cp1   control-plane  v1.36.2  alive   yes    healthy  healthy  -
    a     w1    worker         v1.36.2  alive   yes    -        -        -
    b     cp2   control-plane  v1.36.2  alive   yes    healthy  healthy  -
    c     cp3   control-plane  v1.36.2  alive   yes    healthy  healthy  -

    No findings.
    ");
}

#[test]
fn a_cluster_in_trouble() {
    insta::assert_snapshot!(shown(samples::troubled()), @"
    prod  v1.36.2  api.example.org:8443 (managed, 10.0.0.10)  as of 2026-11-22 17:20:00Z
    cluster 01010101010101010101010101010101  spec ae1c07cab24e of generation 3
    Kubernetes cluster with CA sha256:5d2fc0de0011…, etcd cdf818194e3a8c32; members cp1

    ZONE  NODE  ROLE           KUBELET  MEMBER                   READY                 API        ETCD     OPERATION
    a     cp1   control-plane  v1.36.2  alive                    yes                   healthy    healthy  -
    a     w1    worker         v1.36.2  alive                    yes                   -          -        -
    b     cp2   control-plane  ?        down for 42 s, says cp1  ? no answer           ?          ?        ?
    c     cp3   control-plane  v1.36.2  alive                    no: api-server, etcd  unhealthy  unknown  join-control-plane 4/9

    Running
      cp3: join-control-plane, step 4 of 9: kubeadm-join, since 17:18:45Z (75 s)
          waits for etcd member cp3 started since 17:19:48Z (12 s); seen last: a learner, 3 MB behind

    Findings (4 errors, 2 warnings)
      cluster  error    etcd-quorum     1 of 3 etcd members are known to be healthy
      cluster  warning  control-planes  cp2, cp3 did not say that they belong to the cluster
      cp2      error    agent-answers   connect: no route to host (tried for 5.0 s at 10.0.0.12:7470)
      cp2      error    membership      2 of 3 others see it down, cp1 since 2026-11-22T17:19:18Z
      w1       error    swap-off        2048 MiB of swap on /dev/sda2
      w1       warning  clock           0.7 s behind the median of 3 peers
      What to do about each: hactl-controller doctor
    ");
}

#[test]
fn a_first_boot_that_waits() {
    insta::assert_snapshot!(shown(samples::first_boot()), @"
    prod  v1.36.2  api.example.org:8443 (managed, 10.0.0.10)  as of 2026-11-22 17:20:00Z
    cluster 01010101010101010101010101010101  spec ae1c07cab24e of generation 3
    first boot: cp1 collects grants at epoch 0; granted by cp1, cp2; not of cp3

    ZONE  NODE  ROLE           KUBELET  MEMBER  READY                          API        ETCD       OPERATION
    a     cp1   control-plane  v1.36.2  alive   no: kubelet, api-server, etcd  unhealthy  unhealthy  -
    a     w1    worker         v1.36.2  alive   no: kubelet                    -          -          -
    b     cp2   control-plane  v1.36.2  alive   no: kubelet, api-server, etcd  unhealthy  unhealthy  -
    c     cp3   control-plane  ?        alive   ? no answer                    ?          ?          ?

    Findings (1 error, 4 warnings)
      cluster  warning  first-boot     waits for cp3
      cp1      warning  components     kubelet, api-server, etcd not known to be healthy
      cp2      warning  components     kubelet, api-server, etcd not known to be healthy
      cp3      error    agent-answers  deadline of 5 s passed (tried for 5.0 s at 10.0.0.13:7470)
      w1       warning  components     kubelet not known to be healthy
      What to do about each: hactl-controller doctor
    ");
}

#[test]
fn colour_adds_nothing_but_colour() {
    let view = StatusView::new(samples::troubled());
    let coloured = view.text(Style::Colour);
    insta::assert_snapshot!(coloured.replace('\u{1b}', "ESC"), @"
    ESC[1mprodESC[0m  v1.36.2  api.example.org:8443 (managed, 10.0.0.10)  as of 2026-11-22 17:20:00Z
    cluster 01010101010101010101010101010101  spec ae1c07cab24e of generation 3
    ESC[32mKubernetes cluster with CA sha256:5d2fc0de0011…, etcd cdf818194e3a8c32; members cp1ESC[0m

    ESC[1mZONEESC[0m  ESC[1mNODEESC[0m  ESC[1mROLEESC[0m           ESC[1mKUBELETESC[0m  ESC[1mMEMBERESC[0m                   ESC[1mREADYESC[0m                 ESC[1mAPIESC[0m        ESC[1mETCDESC[0m     ESC[1mOPERATIONESC[0m
    a     cp1   control-plane  v1.36.2  ESC[32maliveESC[0m                    ESC[32myesESC[0m                   ESC[32mhealthyESC[0m    ESC[32mhealthyESC[0m  ESC[2m-ESC[0m
    a     w1    worker         v1.36.2  ESC[32maliveESC[0m                    ESC[32myesESC[0m                   ESC[2m-ESC[0m          ESC[2m-ESC[0m        ESC[2m-ESC[0m
    b     cp2   control-plane  ESC[33m?ESC[0m        ESC[31mdown for 42 s, says cp1ESC[0m  ESC[33m? no answerESC[0m           ESC[33m?ESC[0m          ESC[33m?ESC[0m        ESC[33m?ESC[0m
    c     cp3   control-plane  v1.36.2  ESC[32maliveESC[0m                    ESC[31mno: api-server, etcdESC[0m  ESC[31munhealthyESC[0m  ESC[33munknownESC[0m  ESC[33mjoin-control-plane 4/9ESC[0m

    ESC[1mRunningESC[0m
      cp3: join-control-plane, step 4 of 9: kubeadm-join, since 17:18:45Z (75 s)
          ESC[33mwaits for etcd member cp3 started since 17:19:48Z (12 s); seen last: a learner, 3 MB behindESC[0m

    ESC[1mFindings (4 errors, 2 warnings)ESC[0m
      cluster  ESC[31merrorESC[0m    etcd-quorum     1 of 3 etcd members are known to be healthy
      cluster  ESC[33mwarningESC[0m  control-planes  cp2, cp3 did not say that they belong to the cluster
      cp2      ESC[31merrorESC[0m    agent-answers   connect: no route to host (tried for 5.0 s at 10.0.0.12:7470)
      cp2      ESC[31merrorESC[0m    membership      2 of 3 others see it down, cp1 since 2026-11-22T17:19:18Z
      w1       ESC[31merrorESC[0m    swap-off        2048 MiB of swap on /dev/sda2
      w1       ESC[33mwarningESC[0m  clock           0.7 s behind the median of 3 peers
      ESC[2mWhat to do about each: hactl-controller doctorESC[0m
    ");
}
