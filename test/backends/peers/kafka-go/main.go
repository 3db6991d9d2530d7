// A process on go-micro v4 with its kafka broker, which does what a test says.
// Each line of its input is a command, each line of its output an answer or an event, as JSON.
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"sync"

	kafka "github.com/go-micro/plugins/v4/broker/kafka"
	"go-micro.dev/v4/broker"
	"go-micro.dev/v4/logger"
)

type command struct {
	Do     string            `json:"do"`
	Topic  string            `json:"topic"`
	Queue  string            `json:"queue"`
	Header map[string]string `json:"header"`
	Body   string            `json:"body"`
}

var output sync.Mutex

func say(fact map[string]interface{}) {
	output.Lock()
	defer output.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(fact)
}

func do(events broker.Broker, c command) error {
	if c.Do == "publish" {
		return events.Publish(c.Topic, &broker.Message{Header: c.Header, Body: []byte(c.Body)})
	}
	heard := func(event broker.Event) error {
		message := event.Message()
		say(map[string]interface{}{"event": "message", "topic": event.Topic(), "header": message.Header, "body": string(message.Body)})
		return nil
	}
	_, err := events.Subscribe(c.Topic, heard, broker.Queue(c.Queue))
	return err
}

func main() {
	logger.DefaultLogger = logger.NewLogger(logger.WithLevel(logger.ErrorLevel), logger.WithOutput(os.Stderr))
	events := kafka.NewBroker(broker.Addrs(os.Args[1]))
	if err := events.Connect(); err != nil {
		say(map[string]interface{}{"event": "failed", "error": err.Error()})
		return
	}
	say(map[string]interface{}{"event": "ready"})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			continue
		}
		if err := do(events, c); err != nil {
			say(map[string]interface{}{"failed": err.Error()})
		} else {
			say(map[string]interface{}{"done": nil})
		}
	}
}
