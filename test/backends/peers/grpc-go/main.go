// A process on go-micro v4 with its grpc transport, which does what a test says.
// Each line of its input is a command, each line of its output an answer or an event, as JSON.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	grpctransport "github.com/go-micro/plugins/v4/transport/grpc"
	"go-micro.dev/v4/broker"
	"go-micro.dev/v4/client"
	"go-micro.dev/v4/errors"
	"go-micro.dev/v4/logger"
	"go-micro.dev/v4/registry"
	"go-micro.dev/v4/selector"
	"go-micro.dev/v4/server"
	"go-micro.dev/v4/transport"
)

type command struct {
	Do       string `json:"do"`
	Address  string `json:"address"`
	Endpoint string `json:"endpoint"`
	Name     string `json:"name"`
	N        int    `json:"n"`
	Times    int    `json:"times"`
}

var output sync.Mutex

func say(fact map[string]interface{}) {
	output.Lock()
	defer output.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(fact)
}

type Request struct {
	Name string `json:"name,omitempty"`
	N    int    `json:"n,omitempty"`
}

type Response struct {
	Msg string `json:"msg"`
}

// Greeter is the service of the recordings.
type Greeter struct{}

func (Greeter) Hello(_ context.Context, request *Request, reply *Response) error {
	reply.Msg = "Hello " + request.Name
	return nil
}

func (Greeter) Bad(_ context.Context, request *Request, _ *Response) error {
	return errors.BadRequest("greeter.bad", "bad <%s> é", request.Name)
}

// Stream answers each request n times, until its caller ends.
func (Greeter) Stream(_ context.Context, stream server.Stream) error {
	for {
		var request Request
		if err := stream.Recv(&request); err != nil {
			say(map[string]interface{}{"event": "streamed"})
			return nil
		}
		for n := 0; n < request.N; n++ {
			if err := stream.Send(&Response{Msg: fmt.Sprintf("%s-%d", request.Name, n)}); err != nil {
				return err
			}
		}
	}
}

type peer struct {
	transport transport.Transport
	registry  registry.Registry
	client    client.Client
	server    server.Server
	stream    client.Stream
}

func (p *peer) call(c command) (interface{}, error) {
	var reply Response
	request := p.client.NewRequest("greeter", "Greeter."+c.Endpoint, &Request{Name: c.Name, N: c.N})
	err := p.client.Call(context.Background(), request, &reply, client.WithAddress(c.Address), client.WithRetries(0),
		client.WithRequestTimeout(5*time.Second))
	return reply.Msg, err
}

func (p *peer) do(c command) (interface{}, error) {
	switch c.Do {
	case "serve":
		p.server = server.NewServer(server.Name("greeter"), server.Version("1.0.0"), server.Id("go"), server.Address("127.0.0.1:0"),
			server.Registry(p.registry), server.Broker(broker.NewMemoryBroker()), server.Transport(p.transport))
		if err := p.server.Handle(p.server.NewHandler(Greeter{})); err != nil {
			return nil, err
		}
		if err := p.server.Start(); err != nil {
			return nil, err
		}
		return p.server.Options().Address, nil
	case "call":
		return p.call(c)
	case "calls":
		// One after the other, which is what makes go-micro's client use a stream again.
		var said []string
		for n := 0; n < c.Times; n++ {
			msg, err := p.call(command{Address: c.Address, Endpoint: "Hello", Name: fmt.Sprintf("%s %d", c.Name, n)})
			if err != nil {
				return nil, err
			}
			said = append(said, msg.(string))
		}
		return strings.Join(said, ","), nil
	case "open":
		request := p.client.NewRequest("greeter", "Greeter.Stream", &Request{}, client.StreamingRequest())
		stream, err := p.client.Stream(context.Background(), request, client.WithAddress(c.Address))
		p.stream = stream
		return nil, err
	case "send":
		return nil, p.stream.Send(&Request{Name: c.Name, N: c.N})
	case "receive":
		var reply Response
		err := p.stream.Recv(&reply)
		if err == io.EOF {
			return "the end", nil
		}
		return reply.Msg, err
	case "close":
		return nil, p.stream.Close()
	}
	return nil, fmt.Errorf("there is no command %q", c.Do)
}

// secured reads certificates that a test has made, where it has.
func secured(caFile, certFile, keyFile string) (*tls.Config, error) {
	ca, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	own, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{own}}, nil
}

func main() {
	logger.DefaultLogger = logger.NewLogger(logger.WithLevel(logger.FatalLevel), logger.WithOutput(os.Stderr))
	var options []transport.Option
	if len(os.Args) == 4 {
		config, err := secured(os.Args[1], os.Args[2], os.Args[3])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		options = append(options, transport.TLSConfig(config))
	}
	os.Args = os.Args[:1]
	p := &peer{transport: grpctransport.NewTransport(options...), registry: registry.NewMemoryRegistry()}
	p.client = client.NewClient(client.Registry(p.registry), client.Broker(broker.NewMemoryBroker()), client.Transport(p.transport),
		client.ContentType("application/json"), client.Selector(selector.NewSelector(selector.Registry(p.registry))))
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
