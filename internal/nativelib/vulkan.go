package nativelib

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/isocost/isocost/internal/hint"
)

// softwareVulkanICD is the file that scripts/setup-software-vulkan.sh writes.
const softwareVulkanICD = "swiftshader-icd.json"

// SoftwareVulkan makes the software Vulkan driver this process's only one, so
// that GPU providers can be exercised without a GPU, and lets ONNX Runtime's
// WebGPU plugin use it. Without the driver the test is skipped, or fails when
// ISOCOST_REQUIRE_NATIVE is 1. Call it before any library looks for a GPU: the
// environment is put back when the test ends, what has been loaded stays.
func SoftwareVulkan(t interface {
	TB
	Setenv(key, value string)
}) {
	t.Helper()
	s := Host()
	for dir := range parents(s.WorkDir) {
		icd := filepath.Join(dir, ".native", softwareVulkanICD)
		if _, err := os.Stat(icd); err != nil {
			continue
		}
		// The loader reads VK_DRIVER_FILES, before 1.3.207 VK_ICD_FILENAMES.
		t.Setenv("VK_DRIVER_FILES", icd)
		t.Setenv("VK_ICD_FILENAMES", icd)
		t.Setenv("ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER", "1")
		return
	}
	Missing(t, hint.Wrap(errors.New("no software Vulkan driver is set up"), "run scripts/setup-software-vulkan.sh"))
}
