package main

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"go-micro.dev/v4/client"
	"go-micro.dev/v4/codec/bytes"
	debug "go-micro.dev/v4/debug/proto"
	"go-micro.dev/v4/metadata"
)

// call calls once, or several times one after the other, and returns the last reply, or the replies.
func (p *peer) call(c command) (interface{}, error) {
	if c.Times > 0 {
		replies := []interface{}{}
		for at := 0; at < c.Times; at++ {
			reply, err := p.once(c)
			if err != nil {
				return nil, err
			}
			replies = append(replies, reply)
		}
		return replies, nil
	}
	return p.once(c)
}

func (p *peer) once(c command) (interface{}, error) {
	request, reply := types(c.Endpoint)
	if len(c.Request) > 0 {
		if err := json.Unmarshal(c.Request, request); err != nil {
			return nil, err
		}
	}
	ctx, cancel := c.context()
	defer cancel()
	req := p.client.NewRequest(c.Service, c.Endpoint, request, client.WithContentType(c.contentType()))
	return reply, p.client.Call(ctx, req, reply, c.options()...)
}

func types(endpoint string) (request, reply interface{}) {
	switch {
	case endpoint == "Debug.Health":
		return new(debug.HealthRequest), new(debug.HealthResponse)
	case endpoint == "Debug.Stats":
		return new(debug.StatsRequest), new(debug.StatsResponse)
	case strings.HasPrefix(endpoint, "Plain."):
		return new(PlainRequest), new(PlainReply)
	case strings.HasPrefix(endpoint, "Raw."):
		return new(bytes.Frame), new(bytes.Frame)
	}
	return new(Request), new(Reply)
}

func (c command) contentType() string {
	if c.ContentType == "" {
		return "application/protobuf"
	}
	return c.ContentType
}

func (c command) context() (context.Context, context.CancelFunc) {
	ctx := metadata.NewContext(context.Background(), c.Metadata)
	if c.TimeoutMs == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, time.Duration(c.TimeoutMs)*time.Millisecond)
}

func (c command) options() []client.CallOption {
	options := []client.CallOption{client.WithRetries(c.Retries)}
	if c.Address != "" {
		options = append(options, client.WithAddress(c.Address))
	}
	if c.Always {
		options = append(options, client.WithRetry(client.RetryAlways))
	}
	if c.ConnClose {
		options = append(options, client.WithConnClose())
	}
	if c.AttemptMs > 0 {
		options = append(options, func(o *client.CallOptions) {
			o.ConnectionTimeout = time.Duration(c.AttemptMs) * time.Millisecond
		})
	}
	return options
}

// stream opens the one stream of a service and endpoint, or does something with it.
func (p *peer) stream(c command) (interface{}, error) {
	switch c.Do {
	case "open":
		ctx, _ := c.context()
		req := p.client.NewRequest(c.Service, c.Endpoint, &Request{},
			client.WithContentType(c.contentType()), client.StreamingRequest())
		s, err := p.client.Stream(ctx, req, c.options()...)
		if err != nil {
			return nil, err
		}
		p.streams[c.Endpoint] = s
		return nil, nil
	case "send":
		request := new(Request)
		if err := json.Unmarshal(c.Request, request); err != nil {
			return nil, err
		}
		return nil, p.streams[c.Endpoint].Send(request)
	case "receive":
		reply := new(Reply)
		if err := p.streams[c.Endpoint].Recv(reply); err != nil {
			return nil, err
		}
		return reply, nil
	}
	return nil, p.streams[c.Endpoint].Close()
}

func (p *peer) publish(c command) error {
	ctx, cancel := c.context()
	defer cancel()
	message := p.client.NewMessage(c.Topic, &Event{Text: c.Text}, client.WithMessageContentType(c.contentType()))
	return p.client.Publish(ctx, message)
}
