# Makes a node of the RHEL family as far as dnf and rpm go, in a throw-away root of Debian's packages: a repository with two
# versions of Kubernetes' packages, laid out and excluded as Kubernetes' own documentation does, and hactl-agent with our own scripts.
set -eu
mkdir -p /build && cd /build
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
build() { rpmbuild -bb --define "_rpmdir $1" --define "_build_id_links none" "$2" >log 2>&1 || { cat log; exit 1; }; }

for version in 1.36.2 1.36.3; do
    for name in kubeadm kubelet kubectl; do
        cat >"$name.spec" <<SPEC
Name: $name
Version: $version
Release: 150500.1.1
Summary: $name
License: Apache-2.0
BuildArch: noarch
AutoReqProv: no
%description
$name
%install
mkdir -p %{buildroot}/usr/bin
printf '#!/bin/sh\\necho v$version\\n' > %{buildroot}/usr/bin/$name
chmod 755 %{buildroot}/usr/bin/$name
%files
/usr/bin/$name
SPEC
        build /srv/repo "$name.spec"
    done
done
createrepo_c --quiet /srv/repo

# What scripts of packages need, and a systemctl that says what rpm says of the agent while they run.
printf 'Name: base\nVersion: 1\nRelease: 1\nSummary: base\nLicense: none\nBuildArch: noarch\nProvides: /bin/sh\n%%description\nbase\n%%files\n' >base.spec
build /srv/own base.spec
for version in 0.1.0 0.2.0; do
    {
        printf 'Name: hactl-agent\nVersion: %s\nRelease: 1\nSummary: agent\nLicense: none\nBuildArch: noarch\n' "$version"
        printf '%%description\nagent\n%%install\nmkdir -p %%{buildroot}/usr/bin\necho %s >%%{buildroot}/usr/bin/hactl-agent\n' "$version"
        printf '%%files\n/usr/bin/hactl-agent\n'
        for script in post preun postun; do printf '%%%s\n' "$script"; cat "/scripts/$script.sh"; done
    } >agent.spec
    build /srv/own agent.spec
done
cat >/usr/bin/systemctl <<'SCRIPT'
#!/bin/sh
rpm --query "--queryformat=install ok installed %{VERSION}\n" hactl-agent >"/tmp/seen-at-$1"
SCRIPT
chmod 755 /usr/bin/systemctl
rpm --upgrade /srv/own/noarch/base-1-1.noarch.rpm 2>/dev/null

# Debian's dnf has a repository of its own that is not there.
echo 9 >/etc/dnf/vars/releasever
sed -i 's/^enabled.*/enabled = false/' /etc/dnf/plugins/local.conf
cat >/etc/yum.repos.d/kubernetes.repo <<'REPO'
[kubernetes]
name=Kubernetes
baseurl=http://127.0.0.1:8099/
enabled=1
gpgcheck=0
skip_if_unavailable=0
metadata_expire=1
exclude=kubelet kubeadm kubectl cri-tools kubernetes-cni
REPO
