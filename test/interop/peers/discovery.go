package main

import (
	"sort"

	"go-micro.dev/v4/registry"
)

// record is a service with one node, as a test writes and reads it.
type record struct {
	Name      string            `json:"name"`
	Version   string            `json:"version"`
	Node      string            `json:"node"`
	Address   string            `json:"address"`
	Metadata  map[string]string `json:"metadata"`
	Endpoints []string          `json:"endpoints"`
}

func (r *record) service() *registry.Service {
	return &registry.Service{
		Name:    r.Name,
		Version: r.Version,
		Nodes:   []*registry.Node{{Id: r.Node, Address: r.Address, Metadata: r.Metadata}},
	}
}

func records(service *registry.Service) []record {
	found := []record{}
	endpoints := []string{}
	for _, each := range service.Endpoints {
		endpoints = append(endpoints, each.Name)
	}
	for _, node := range service.Nodes {
		found = append(found, record{service.Name, service.Version, node.Id, node.Address, node.Metadata, endpoints})
	}
	return found
}

func (p *peer) list() (interface{}, error) {
	services, err := p.registry.ListServices()
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, each := range services {
		names = append(names, each.Name)
	}
	sort.Strings(names)
	return names, nil
}

func (p *peer) get(name string) (interface{}, error) {
	services, err := p.registry.GetService(name)
	if err != nil {
		return nil, err
	}
	found := []record{}
	for _, each := range services {
		found = append(found, records(each)...)
	}
	sort.Slice(found, func(a, b int) bool { return found[a].Node < found[b].Node })
	return found, nil
}

// watch tells of each change from now on.
func (p *peer) watch(name string) error {
	watcher, err := p.registry.Watch(registry.WatchService(name))
	if err != nil {
		return err
	}
	go func() {
		for {
			change, err := watcher.Next()
			if err != nil {
				return
			}
			for _, each := range records(change.Service) {
				tell(map[string]interface{}{"event": "change", "action": change.Action, "service": name, "record": each})
			}
		}
	}()
	return nil
}
