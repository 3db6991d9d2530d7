// A go-micro peer that a test drives. Each line of standard input is a command, each line of standard output an answer
// to one or an event. It ends when its input does.
//
// The sources import go-micro.dev/v4. scripts/test-interop.mjs builds them for v5 too, with that path in its place.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync"

	merrors "go-micro.dev/v4/errors"
	"go-micro.dev/v4/logger"
)

// command is what a test asks for. Do says what; the others are what that needs.
type command struct {
	ID          int
	Do          string
	Service     string
	Version     string
	ServerID    string
	Address     string
	Endpoint    string
	ContentType string
	Topic       string
	Queue       string
	Text        string
	Times       int
	Retries     int
	TimeoutMs   int
	AttemptMs   int
	Always      bool
	ConnClose   bool
	Subscribe   []subscription
	Metadata    map[string]string
	Request     json.RawMessage
	Record      *record
	TLS         *secure
}

type subscription struct {
	Topic string
	Queue string
}

var (
	out   = json.NewEncoder(os.Stdout)
	outMu sync.Mutex
)

// tell writes one line.
func tell(line map[string]interface{}) {
	outMu.Lock()
	defer outMu.Unlock()
	if err := out.Encode(line); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

func answer(id int, value interface{}, err error) {
	if err == nil {
		tell(map[string]interface{}{"id": id, "reply": value})
		return
	}
	// The text of an error of go-micro's is its JSON; that of any other becomes the detail.
	told := merrors.Parse(err.Error())
	tell(map[string]interface{}{"id": id, "error": map[string]interface{}{
		"id": told.Id, "code": told.Code, "detail": told.Detail, "status": told.Status,
	}})
}

func main() {
	// go-micro's logger writes to the standard output, which is for answers.
	os.Stdout = os.Stderr
	logger.DefaultLogger = logger.NewLogger(logger.WithLevel(logger.FatalLevel))
	p := newPeer()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			fmt.Fprintln(os.Stderr, "no command:", err)
			os.Exit(2)
		}
		go func() {
			value, err := p.do(c)
			answer(c.ID, value, err)
		}()
	}
}
