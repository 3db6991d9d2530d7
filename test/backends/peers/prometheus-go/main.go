// A go-micro v4 service and a client of it, with go-micro's plugin for Prometheus around both, which makes some calls and prints what was counted.
package main

import (
	"context"
	"os"
	"sync"

	plugin "github.com/go-micro/plugins/v4/wrapper/monitoring/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"go-micro.dev/v4/broker"
	"go-micro.dev/v4/client"
	"go-micro.dev/v4/errors"
	"go-micro.dev/v4/registry"
	"go-micro.dev/v4/selector"
	"go-micro.dev/v4/server"
)

type Request struct {
	Name string `json:"name,omitempty"`
}

type Response struct {
	Msg string `json:"msg"`
}

type Greeter struct{}

func (Greeter) Hello(_ context.Context, request *Request, reply *Response) error {
	reply.Msg = "Hello " + request.Name
	return nil
}

func (Greeter) Bad(context.Context, *Request, *Response) error {
	return errors.BadRequest("greeter.bad", "bad")
}

func main() {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	known := registry.NewMemoryRegistry()
	events := broker.NewMemoryBroker()
	must(events.Connect())
	labels := []plugin.Option{plugin.ServiceName("desk"), plugin.ServiceVersion("1"), plugin.ServiceID("desk-1")}
	service := server.NewServer(
		server.Name("greeter"),
		server.Address("127.0.0.1:0"),
		server.Registry(known),
		server.Broker(events),
		server.WrapHandler(plugin.NewHandlerWrapper(labels...)),
		server.WrapSubscriber(plugin.NewSubscriberWrapper(labels...)),
	)
	must(service.Handle(service.NewHandler(Greeter{})))
	var heard sync.WaitGroup
	heard.Add(1)
	must(service.Subscribe(service.NewSubscriber("things", func(context.Context, *Request) error {
		heard.Done()
		return nil
	})))
	must(service.Start())
	caller := client.NewClient(
		client.Registry(known),
		client.Broker(events),
		client.Selector(selector.NewSelector(selector.Registry(known))),
		client.ContentType("application/json"),
		client.Retries(0),
		client.Wrap(plugin.NewClientWrapper(labels...)),
	)
	for _, endpoint := range []string{"Greeter.Hello", "Greeter.Hello", "Greeter.Bad"} {
		_ = caller.Call(context.Background(), caller.NewRequest("greeter", endpoint, &Request{}), &Response{})
	}
	must(caller.Publish(context.Background(), caller.NewMessage("things", &Request{})))
	heard.Wait()
	// The subscriber's wrapper counts behind the handler.
	must(service.Stop())
	families, err := prometheus.DefaultGatherer.Gather()
	must(err)
	for _, family := range families {
		if len(family.GetName()) > 6 && family.GetName()[:6] == "micro_" {
			_, err := expfmt.MetricFamilyToText(os.Stdout, family)
			must(err)
		}
	}
}
