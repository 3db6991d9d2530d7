// A process on go-micro v4 with its gRPC server and client, which does what a test says. Its service and messages are those of test/interop/peers.
// Each line of its input is a command, each line of its output an answer or an event, as JSON.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	grpcclient "github.com/go-micro/plugins/v4/client/grpc"
	grpcserver "github.com/go-micro/plugins/v4/server/grpc"
	"go-micro.dev/v4/broker"
	"go-micro.dev/v4/client"
	"go-micro.dev/v4/logger"
	"go-micro.dev/v4/metadata"
	"go-micro.dev/v4/registry"
	"go-micro.dev/v4/selector"
	"go-micro.dev/v4/server"
)

type command struct {
	Do          string            `json:"do"`
	Address     string            `json:"address"`
	Service     string            `json:"service"`
	Endpoint    string            `json:"endpoint"`
	ContentType string            `json:"contentType"`
	TimeoutMs   int               `json:"timeoutMs"`
	Metadata    map[string]string `json:"metadata"`
	Request     json.RawMessage   `json:"request"`
}

var output sync.Mutex

func tell(fact map[string]interface{}) {
	output.Lock()
	defer output.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(fact)
}

type peer struct {
	registry registry.Registry
	client   client.Client
	server   server.Server
	greeter  *Greeter
	stream   client.Stream
}

func (c command) context() context.Context {
	return metadata.NewContext(context.Background(), c.Metadata)
}

func (c command) message() (*Request, error) {
	request := new(Request)
	if len(c.Request) == 0 {
		return request, nil
	}
	return request, json.Unmarshal(c.Request, request)
}

func (c command) options() []client.CallOption {
	options := []client.CallOption{client.WithAddress(c.Address), client.WithRetries(0)}
	if c.TimeoutMs > 0 {
		options = append(options, client.WithRequestTimeout(time.Duration(c.TimeoutMs)*time.Millisecond))
	}
	return options
}

func (p *peer) serve() (interface{}, error) {
	p.server = grpcserver.NewServer(server.Name("greeter"), server.Version("1"), server.Id("go"), server.Address("127.0.0.1:0"),
		server.Registry(p.registry), server.Broker(broker.NewMemoryBroker()))
	p.greeter.node = "go"
	for _, each := range []interface{}{p.greeter, new(Plain)} {
		if err := p.server.Handle(p.server.NewHandler(each)); err != nil {
			return nil, err
		}
	}
	if err := p.server.Start(); err != nil {
		return nil, err
	}
	return p.registry.GetService("greeter")
}

func (p *peer) do(c command) (interface{}, error) {
	request, err := c.message()
	if err != nil {
		return nil, err
	}
	switch c.Do {
	case "serve":
		return p.serve()
	case "stop":
		return nil, p.server.Stop()
	case "executed":
		return p.greeter.executed.Load(), nil
	case "call":
		reply := new(Reply)
		err := p.client.Call(c.context(), p.client.NewRequest(c.Service, c.Endpoint, request, client.WithContentType(c.ContentType)), reply,
			c.options()...)
		return reply, err
	case "open":
		p.stream, err = p.client.Stream(c.context(), p.client.NewRequest(c.Service, c.Endpoint, request,
			client.WithContentType(c.ContentType), client.StreamingRequest()), c.options()...)
		return nil, err
	case "send":
		return nil, p.stream.Send(request)
	case "receive":
		reply := new(Reply)
		err := p.stream.Recv(reply)
		if errors.Is(err, io.EOF) {
			return "the end", nil
		}
		return reply, err
	case "closeSend":
		return nil, p.stream.(interface{ CloseSend() error }).CloseSend()
	case "close":
		return nil, p.stream.Close()
	}
	return nil, fmt.Errorf("there is no command %q", c.Do)
}

func main() {
	logger.DefaultLogger = logger.NewLogger(logger.WithLevel(logger.FatalLevel), logger.WithOutput(os.Stderr))
	p := &peer{registry: registry.NewMemoryRegistry(), greeter: &Greeter{}}
	p.client = grpcclient.NewClient(client.Registry(p.registry), client.Broker(broker.NewMemoryBroker()),
		client.Selector(selector.NewSelector(selector.Registry(p.registry))))
	tell(map[string]interface{}{"event": "ready"})
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			fmt.Fprintln(os.Stderr, "no command:", err)
			os.Exit(2)
		}
		value, err := p.do(c)
		if err != nil {
			tell(map[string]interface{}{"failed": err.Error()})
		} else {
			tell(map[string]interface{}{"done": value})
		}
	}
}
