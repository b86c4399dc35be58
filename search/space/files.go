package space

import "path/filepath"

// Files lists the files that the space at path consists of, itself first: those of its modules
// with it. Of one that cannot be opened it is the first alone.
func Files(path string) []string {
	files := []string{path}
	sp, err := Open(path)
	if err != nil {
		return files
	}
	if m, ok := sp.(interface{ Files() []string }); ok {
		for _, f := range m.Files() {
			files = append(files, filepath.Join(filepath.Dir(path), f))
		}
	}
	return files
}
