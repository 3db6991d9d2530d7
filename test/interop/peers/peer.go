package main

import (
	"context"
	"fmt"
	"time"

	micro "go-micro.dev/v4"
	"go-micro.dev/v4/broker"
	"go-micro.dev/v4/client"
	"go-micro.dev/v4/debug/handler"
	debug "go-micro.dev/v4/debug/proto"
	"go-micro.dev/v4/registry"
	"go-micro.dev/v4/selector"
	"go-micro.dev/v4/server"
	"go-micro.dev/v4/transport"
)

// peer is one process of a fleet: a service when it was told to serve, and always a client.
type peer struct {
	registry  registry.Registry
	broker    broker.Broker
	transport transport.Transport
	client    client.Client
	greeter   *Greeter
	stop      context.CancelFunc
	stopped   chan error
	streams   map[string]client.Stream
}

func newPeer() *peer {
	r := registry.NewRegistry()
	b := broker.NewBroker(broker.Registry(r))
	p := &peer{registry: r, broker: b, greeter: &Greeter{}, streams: map[string]client.Stream{}}
	p.use(transport.NewHTTPTransport())
	return p
}

// use has everything from now on dialled and served over a transport.
func (p *peer) use(t transport.Transport) {
	p.transport = t
	p.client = client.NewClient(
		client.Registry(p.registry),
		client.Broker(p.broker),
		client.Transport(t),
		client.Selector(selector.NewSelector(selector.Registry(p.registry))),
	)
}

func (p *peer) do(c command) (interface{}, error) {
	switch c.Do {
	case "secure":
		t, err := httpTransport(c.TLS)
		if err == nil {
			p.use(t)
		}
		return nil, err
	case "serve":
		return p.serve(c)
	case "stop":
		p.stop()
		return nil, <-p.stopped
	case "executed":
		return p.greeter.executed.Load(), nil
	case "call":
		return p.call(c)
	case "open", "send", "receive", "close":
		return p.stream(c)
	case "publish":
		return nil, p.publish(c)
	case "list":
		return p.list()
	case "get":
		return p.get(c.Service)
	case "watch":
		return nil, p.watch(c.Service)
	case "register":
		return nil, p.registry.Register(c.Record.service())
	case "deregister":
		return nil, p.registry.Deregister(c.Record.service())
	}
	return nil, fmt.Errorf("there is no command %q", c.Do)
}

// serve starts a service as a go-micro program does, and returns where it is.
func (p *peer) serve(c command) (interface{}, error) {
	ctx, cancel := context.WithCancel(context.Background())
	p.stop = cancel
	p.stopped = make(chan error, 1)
	started := make(chan struct{})
	address := c.Address
	if address == "" {
		address = "127.0.0.1:0"
	}
	p.greeter.node = c.Service + "-" + c.ServerID
	s := micro.NewService(
		micro.Server(server.NewRPCServer(
			server.Id(c.ServerID),
			server.Transport(p.transport),
		)),
		micro.Client(p.client),
		micro.Registry(p.registry),
		micro.Broker(p.broker),
		micro.Name(c.Service),
		micro.Version(c.Version),
		micro.Address(address),
		micro.Metadata(c.Metadata),
		micro.HandleSignal(false),
		micro.Context(ctx),
		micro.AfterStart(func() error { close(started); return nil }),
	)
	for _, each := range []interface{}{p.greeter, new(Plain), new(Raw), &Relay{client: p.client}} {
		if err := micro.RegisterHandler(s.Server(), each); err != nil {
			return nil, err
		}
	}
	if err := debug.RegisterDebugHandler(s.Server(), handler.NewHandler(p.client), server.InternalHandler(true)); err != nil {
		return nil, err
	}
	for _, each := range c.Subscribe {
		to := server.InternalSubscriber(false)
		if each.Queue != "" {
			to = server.SubscriberQueue(each.Queue)
		}
		if err := micro.RegisterSubscriber(each.Topic, s.Server(), subscriber(each.Topic), to); err != nil {
			return nil, err
		}
	}
	go func() { p.stopped <- s.Run() }()
	select {
	case <-started:
		return map[string]string{"address": s.Server().Options().Address, "node": p.greeter.node}, nil
	case err := <-p.stopped:
		return nil, err
	case <-time.After(10 * time.Second):
		return nil, fmt.Errorf("the service did not start")
	}
}
