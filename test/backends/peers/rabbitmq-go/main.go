// A go-micro peer of the rabbitmq broker: it hears topics, and publishes what it is told.
// usage: program ADDRESS TOPIC=QUEUE ...
// It tells each event as a line of JSON, and takes {"topic": ..., "body": ...} in each line of its input.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/go-micro/plugins/v4/broker/rabbitmq"
	"go-micro.dev/v4/broker"
	"go-micro.dev/v4/logger"
)

var mutex sync.Mutex

func main() {
	// Its log would go where it tells.
	logger.DefaultLogger = logger.NewLogger(logger.WithOutput(os.Stderr), logger.WithLevel(logger.ErrorLevel))
	b := rabbitmq.NewBroker(broker.Addrs(os.Args[1]), rabbitmq.ConfirmPublish())
	check(b.Init())
	check(b.Connect())
	for _, arg := range os.Args[2:] {
		topic, queue, _ := strings.Cut(arg, "=")
		_, err := b.Subscribe(topic, func(e broker.Event) error {
			m := e.Message()
			tell(map[string]any{"event": "heard", "topic": e.Topic(), "header": m.Header, "body": string(m.Body)})
			return nil
		}, broker.Queue(queue))
		check(err)
	}
	tell(map[string]any{"event": "ready"})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var command struct{ Topic, Body string }
		check(json.Unmarshal(lines.Bytes(), &command))
		header := map[string]string{"Content-Type": "text/plain", "Micro-Topic": command.Topic, "Micro-ID": "7", "From": "Go"}
		if err := b.Publish(command.Topic, &broker.Message{Header: header, Body: []byte(command.Body)}); err != nil {
			tell(map[string]any{"failed": err.Error()})
		} else {
			tell(map[string]any{"done": true})
		}
	}
}

func tell(what map[string]any) {
	line, err := json.Marshal(what)
	check(err)
	mutex.Lock()
	defer mutex.Unlock()
	fmt.Println(string(line))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
