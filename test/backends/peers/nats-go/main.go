// A process on go-micro v4 with its nats registry and nats broker, which does what a test says.
// Each line of its input is a command, each line of its output an answer or an event, as JSON.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"sync"
	"time"

	natsbroker "github.com/go-micro/plugins/v4/broker/nats"
	natsregistry "github.com/go-micro/plugins/v4/registry/nats"
	"go-micro.dev/v4/broker"
	"go-micro.dev/v4/client"
	"go-micro.dev/v4/logger"
	"go-micro.dev/v4/registry"
	"go-micro.dev/v4/selector"
	"go-micro.dev/v4/server"
)

type command struct {
	Do       string            `json:"do"`
	Name     string            `json:"name"`
	Endpoint string            `json:"endpoint"`
	Service  *registry.Service `json:"service"`
	Topic    string            `json:"topic"`
	Queue    string            `json:"queue"`
	Header   map[string]string `json:"header"`
	Body     string            `json:"body"`
}

var output sync.Mutex

func say(fact map[string]interface{}) {
	output.Lock()
	defer output.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(fact)
}

type HelloRequest struct {
	Name string `json:"name"`
}

type HelloReply struct {
	Msg string `json:"msg"`
}

// Greeter answers in the test's stead.
type Greeter struct{}

func (Greeter) Hello(_ context.Context, request *HelloRequest, reply *HelloReply) error {
	reply.Msg = "Hello " + request.Name
	return nil
}

type peer struct {
	registry registry.Registry
	broker   broker.Broker
	client   client.Client
	server   server.Server
}

func (p *peer) do(c command) (interface{}, error) {
	switch c.Do {
	case "register":
		return nil, p.registry.Register(c.Service, registry.RegisterTTL(time.Minute))
	case "deregister":
		return nil, p.registry.Deregister(c.Service)
	case "get":
		return p.registry.GetService(c.Name)
	case "list":
		return p.registry.ListServices()
	case "watch":
		watcher, err := p.registry.Watch(registry.WatchService(c.Name))
		if err == nil {
			go follow(watcher)
		}
		return nil, err
	case "publish":
		return nil, p.broker.Publish(c.Topic, &broker.Message{Header: c.Header, Body: []byte(c.Body)})
	case "subscribe":
		heard := func(event broker.Event) error {
			message := event.Message()
			say(map[string]interface{}{"event": "message", "topic": event.Topic(), "header": message.Header, "body": string(message.Body)})
			return nil
		}
		_, err := p.broker.Subscribe(c.Topic, heard, broker.Queue(c.Queue))
		return nil, err
	case "call":
		var reply HelloReply
		request := p.client.NewRequest(c.Name, c.Endpoint, &HelloRequest{Name: c.Body})
		err := p.client.Call(context.Background(), request, &reply, client.WithRequestTimeout(5*time.Second))
		return reply, err
	case "serve":
		p.server = server.NewServer(server.Name(c.Name), server.Version("1.0.0"), server.Id("go"), server.Address("127.0.0.1:0"),
			server.Registry(p.registry), server.Broker(p.broker))
		if err := p.server.Handle(p.server.NewHandler(Greeter{})); err != nil {
			return nil, err
		}
		return nil, p.server.Start()
	case "stop":
		return nil, p.server.Stop()
	}
	return "unknown", nil
}

func follow(watcher registry.Watcher) {
	for {
		result, err := watcher.Next()
		if err != nil {
			return
		}
		say(map[string]interface{}{"event": "change", "action": result.Action, "service": result.Service})
	}
}

func main() {
	logger.DefaultLogger = logger.NewLogger(logger.WithLevel(logger.ErrorLevel), logger.WithOutput(os.Stderr))
	address := os.Args[1]
	os.Args = os.Args[:1]
	found := natsregistry.NewRegistry(registry.Addrs(address), registry.Timeout(time.Second))
	events := natsbroker.NewBroker(broker.Addrs(address))
	if err := events.Connect(); err != nil {
		say(map[string]interface{}{"event": "failed", "error": err.Error()})
		return
	}
	p := &peer{registry: found, broker: events}
	p.client = client.NewClient(client.Registry(found), client.Broker(events), client.ContentType("application/json"),
		client.Selector(selector.NewSelector(selector.Registry(found))))
	say(map[string]interface{}{"event": "ready"})
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			continue
		}
		value, err := p.do(c)
		if err != nil {
			say(map[string]interface{}{"failed": err.Error()})
		} else {
			say(map[string]interface{}{"done": value})
		}
	}
}
