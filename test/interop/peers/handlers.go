package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"go-micro.dev/v4/client"
	"go-micro.dev/v4/codec/bytes"
	merrors "go-micro.dev/v4/errors"
	"go-micro.dev/v4/metadata"
	"go-micro.dev/v4/server"
)

// pace is how long a stream's handler waits between two items: a go-micro server that sends faster than its connection
// writes overwrites what it has not written yet.
const pace = 30 * time.Millisecond

// Greeter is what the peers serve, here as in fleet/greeter.ts.
type Greeter struct {
	node     string
	executed atomic.Int64
}

func (g *Greeter) Hello(ctx context.Context, request *Request, reply *Reply) error {
	md, _ := metadata.FromContext(ctx)
	reply.Text = "Hello " + request.Name
	reply.BigNumber = request.BigNumber
	reply.Mood = request.Mood
	reply.Node = g.node
	reply.Metadata = md
	return nil
}

func (g *Greeter) Empty(ctx context.Context, request *Request, reply *Reply) error { return nil }

func (g *Greeter) Fail(ctx context.Context, request *Request, reply *Reply) error {
	const id = "greeter.fail"
	switch request.Name {
	case "bad":
		return merrors.BadRequest(id, "bad <%s> é", request.Name)
	case "unauthorized":
		return merrors.Unauthorized(id, "who are you")
	case "forbidden":
		return merrors.Forbidden(id, "not you")
	case "missing":
		return merrors.NotFound(id, "no such thing")
	case "conflict":
		return merrors.Conflict(id, "already there")
	case "internal":
		return merrors.InternalServerError(id, "broken")
	case "panic":
		panic("out of luck")
	}
	return errors.New("plain text")
}

// Slow waits for as long as it was asked to, or until its deadline.
func (g *Greeter) Slow(ctx context.Context, request *Request, reply *Reply) error {
	g.executed.Add(1)
	begin := time.Now()
	deadline, has := ctx.Deadline()
	select {
	case <-ctx.Done():
		reply.Text = "cancelled"
		return merrors.Timeout("greeter.slow", "deadline passed")
	case <-time.After(time.Duration(request.DelayMs) * time.Millisecond):
	}
	reply.Text = "done"
	if has {
		reply.BigNumber = deadline.Sub(begin).Milliseconds()
	}
	return nil
}

// Chat answers each request with as many replies as it asks for. The name "end" ends it, "fail" fails it.
func (g *Greeter) Chat(ctx context.Context, stream server.Stream) error {
	for {
		request := new(Request)
		if err := stream.Recv(request); errors.Is(err, io.EOF) {
			tell(map[string]interface{}{"event": "ended", "by": "caller"})
			return nil
		} else if err != nil {
			return err
		}
		switch request.Name {
		case "end":
			return nil
		case "fail":
			return merrors.NotFound("greeter.chat", "no more")
		}
		for at := int32(0); at < request.Count; at++ {
			if err := stream.Send(&Reply{Text: fmt.Sprintf("%s-%d", request.Name, at)}); err != nil {
				return err
			}
			time.Sleep(pace)
		}
	}
}

// Count is a stream of replies to one request.
func (g *Greeter) Count(ctx context.Context, stream server.Stream) error {
	request := new(Request)
	if err := stream.Recv(request); err != nil {
		return err
	}
	for at := int32(0); at < request.Count; at++ {
		if err := stream.Send(&Reply{Text: fmt.Sprintf("%s-%d", request.Name, at)}); err != nil {
			return err
		}
		time.Sleep(pace)
	}
	return nil
}

// Relay passes calls on to another service, in the middle between two others.
type Relay struct{ client client.Client }

// Hello calls the Hello of the service that the request names, with all that came with the call.
func (r *Relay) Hello(ctx context.Context, request *Request, reply *Reply) error {
	return r.client.Call(ctx, r.client.NewRequest(request.Name, "Greeter.Hello", &Request{Name: "Relay"},
		client.WithContentType("application/protobuf")), reply)
}

// Chat opens a Chat with the service that the request names, with all that came with the call, sends one request
// there and answers with what came back, item by item.
func (r *Relay) Chat(ctx context.Context, request *Request, reply *Reply) error {
	s, err := r.client.Stream(ctx, r.client.NewRequest(request.Name, "Greeter.Chat", &Request{},
		client.WithContentType("application/protobuf"), client.StreamingRequest()))
	if err != nil {
		return err
	}
	defer s.Close()
	for _, next := range []*Request{{Name: "a", Count: request.Count}, {Name: "end"}} {
		if err := s.Send(next); err != nil {
			return err
		}
	}
	for {
		item := new(Reply)
		if err := s.Recv(item); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		reply.Text += "[" + item.Text + "]"
	}
}

// Mixed calls the Hello of the service that a request names out of a stream, for each request.
func (r *Relay) Mixed(ctx context.Context, stream server.Stream) error {
	for {
		request := new(Request)
		if err := stream.Recv(request); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		reply := new(Reply)
		if err := r.Hello(ctx, request, reply); err != nil {
			return err
		}
		if err := stream.Send(reply); err != nil {
			return err
		}
	}
}

// Plain has requests and replies that are no protobuf messages, as many go-micro services that speak JSON.
type Plain struct{}

type PlainRequest struct {
	Name      string `json:"name"`
	BigNumber int64  `json:"bigNumber"`
	Mood      int    `json:"mood"`
}

type PlainReply struct {
	Text      string `json:"text"`
	BigNumber int64  `json:"bigNumber"`
	Mood      int    `json:"mood"`
}

func (*Plain) Hello(ctx context.Context, request *PlainRequest, reply *PlainReply) error {
	*reply = PlainReply{Text: "Hello " + request.Name, BigNumber: request.BigNumber, Mood: request.Mood}
	return nil
}

// Raw has requests and replies that are bytes, whatever the content type.
type Raw struct{}

func (*Raw) Echo(ctx context.Context, request *bytes.Frame, reply *bytes.Frame) error {
	reply.Data = append([]byte("echo:"), request.Data...)
	return nil
}

// subscriber tells of each event. The text "fail" is refused.
func subscriber(topic string) func(context.Context, *Event) error {
	return func(ctx context.Context, event *Event) error {
		md, _ := metadata.FromContext(ctx)
		tell(map[string]interface{}{"event": "message", "topic": topic, "text": event.Text, "metadata": md})
		if event.Text == "fail" {
			return errors.New("refused")
		}
		return nil
	}
}
