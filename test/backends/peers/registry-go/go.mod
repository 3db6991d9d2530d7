module registrygo

go 1.22

require (
	github.com/go-micro/plugins/v4/registry/consul v1.2.1
	github.com/go-micro/plugins/v4/registry/etcd v1.2.0
	github.com/go-micro/plugins/v4/registry/kubernetes v1.1.2
	github.com/go-micro/plugins/v4/registry/zookeeper v1.2.0
	go-micro.dev/v4 v4.11.0
)
