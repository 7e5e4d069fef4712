package growstack

import (
	"testing"

	"github.com/seed963a8790/netstack/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }
